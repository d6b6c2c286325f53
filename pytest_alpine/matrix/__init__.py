"""The matrix of images and platforms that tests run for."""
