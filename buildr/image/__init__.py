"""From a project to an image that an engine stores: found again, grown, built, published."""
