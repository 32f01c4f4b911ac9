"""What the workflows run: previews told on pull requests, deployments by digest, drift told as an issue."""
