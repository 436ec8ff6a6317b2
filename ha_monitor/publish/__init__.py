"""What is told to the outside: the fact catalogue and the texts made from it. Pure."""
