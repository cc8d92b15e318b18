"""Does what was measured and reported agree with the images?"""
