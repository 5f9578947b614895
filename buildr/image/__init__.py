"""From a project to an image that an engine stores: found again, grown, built, published.

It may import `buildr.installer`, `buildr.leftovers`, `buildr.plan` and what is below them; never `buildr.runners`.
"""
