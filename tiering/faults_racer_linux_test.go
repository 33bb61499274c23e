package tiering

func playRacer(string) int { return 2 }
