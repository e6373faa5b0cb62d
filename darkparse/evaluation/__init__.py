"""How good a network is: its detections, or its guesses, against labelled images."""
