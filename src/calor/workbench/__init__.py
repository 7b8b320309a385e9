"""The job from a folder of photos to a classifier: pictures in, a run folder with model and plots out."""
