"""What runs and builds leave behind, on engines and in the cache: locks, marks, old images, and how it goes."""
