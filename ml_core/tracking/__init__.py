"""Tracks of detected objects, and what they cross and enter. Needs neither Django nor pixels."""
