"""The length-controlled win rate of AlpacaEval 2."""
