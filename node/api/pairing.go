package api

import (
	"context"
	"net/http"
)

// invitation admits one till to the shop.
type invitation struct {
	Token     string   `json:"token" doc:"For the new till; secret, and shown only here" example:"7z3k-0000-0000-0000-0000-0000-p0qe"`
	ExpiresAt string   `json:"expires_at" doc:"RFC 3339"`
	Addresses []string `json:"addresses" nullable:"false" doc:"Where this till can be reached, host:port, should multicast not work"`
}

func (s *server) addPairing() {
	s.addRequests()
	s.addDepartures()
	add(s, created(operation(http.MethodPost, "/api/v1/pairing/invite", "Till", "invite-till", "Invite a till to the shop",
		`Gives a token with which one new till can join within 15 minutes. At most 8 are open at once.`)),
		func(context.Context, *inviteIn) (invitation, error) {
			i, err := s.till.Invite()
			if err != nil {
				return invitation{}, err
			}
			return invitation{i.Token.Text(), instant(i.Expires), orEmpty(s.till.OwnAddresses())}, nil
		})
}

type inviteIn struct {
	Body *newInvitation
}

// newInvitation asks for an invitation. Nothing can be said about it yet.
type newInvitation struct{}
