"""What happens to a webhook around its connector: payload files and their replay."""
