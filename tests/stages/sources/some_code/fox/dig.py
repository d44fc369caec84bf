def dig():
    return "hole"
