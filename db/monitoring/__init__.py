"""How the installation is doing, and what is done about it by the clock.

figures, quality    numbers of this moment, and over some days
tallies             sums of what receivers were asked; signs of life
callers             who called
drift               how answers are distributed
canaries            how far each came
reconciliations     what archives have and we have not
alerts              who was told of what
nightly             what is done once a day is done by one
clocks              times that a wrong clock wrote are brought back
"""
