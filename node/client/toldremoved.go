package client

// ToldRemoved is the word of one till that the asked one was removed from the shop. Nothing is done because of it.
type ToldRemoved struct {
	Till string `json:"till"`
	Name string `json:"name"`
	// Since is when it said so first, At when it said so last.
	Since Time `json:"since"`
	At    Time `json:"at"`
}
