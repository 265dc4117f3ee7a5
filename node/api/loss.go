package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

type lossIn struct {
	Till string `path:"id" minLength:"1" maxLength:"250" doc:"ID of the till, prefix of its numbers, or its name if only one has it" example:"K5"`
}

func (s *server) addLoss() {
	add(s, operation(http.MethodGet, "/api/v1/tills/{id}/loss", "Shop", "get-loss", "Get the signed statement of what is lost with a till",
		`As this till knows it, which asks those that it is linked with. Per series: the numbers that are known and where, those that are missing with what other
documents bound of them, and from which number on nobody knows anything; beside that, what is open at the till as others know it, and what it said last
about what nobody else held. Signed with the key of this till; "till loss --verify FILE" and "cloud verify FILE" check it anywhere.`),
		func(ctx context.Context, in *lossIn) (loss.Signed, error) { return s.till.Loss(ctx, in.Till) })
	s.routes["GET /api/v1/tills/{id}/loss"].slow = true
}
