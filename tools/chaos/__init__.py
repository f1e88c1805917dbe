"""The chaos run: nothing that was accepted is lost, whatever is killed or fails meanwhile."""
