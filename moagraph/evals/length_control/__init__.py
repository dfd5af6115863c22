"""The length-controlled (LC) win rate of AlpacaEval 2."""
