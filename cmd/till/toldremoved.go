package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

// toldText says in the status who says that this till was removed.
func toldText(b *strings.Builder, list []client.ToldRemoved, now time.Time) {
	for _, o := range list {
		fmt.Fprintf(b, "%s says that this till was removed from the shop (first %s, last %s)\n", o.Name, age(o.Since, now), age(o.At, now))
	}
	if len(list) > 0 {
		b.WriteString("  to do: look on another till whether that is so, with \"till mesh\"; this one goes on, and nothing is deleted\n")
	}
}
