package api

import "github.com/tillmesh/tillmesh/node"

// toldRemoved is the word of one till that this one was removed from the shop.
type toldRemoved struct {
	Till  string `json:"till" doc:"Who says so"`
	Name  string `json:"name"`
	Since string `json:"since" doc:"When it said so first, RFC 3339"`
	At    string `json:"at" doc:"When it said so last, RFC 3339"`
}

func showTold(list []node.ToldRemoved) []toldRemoved {
	var out []toldRemoved
	for _, o := range list {
		out = append(out, toldRemoved{o.Till.String(), o.Name, instant(o.Since), instant(o.At)})
	}
	return out
}
