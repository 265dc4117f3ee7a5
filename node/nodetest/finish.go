package nodetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/tillmesh/tillmesh/node/client"
)

// linesError says that a tab has not the lines it should have yet.
type linesError struct{ have, want int }

func (e linesError) Error() string {
	return fmt.Sprintf("the tab has %d lines, not %d", e.have, e.want)
}

// Take takes a tab over, even if another till works on it. It may be called from any goroutine.
func (till *Till) Take(ctx context.Context, tab string) error {
	a, err := till.Send(ctx, http.MethodPost, "/api/v1/tabs/"+tab+"/claim", map[string]bool{"force": true})
	if err == nil {
		err = a.OK()
	}
	var claim client.Claim
	if err == nil {
		err = json.Unmarshal(a.Body, &claim)
	}
	if err == nil && !claim.Granted {
		err = errors.New("it was not granted")
	}
	if err != nil {
		return fmt.Errorf("take the tab over: %w", err)
	}
	return nil
}

// Close pays amount, in minor units, in cash and closes a tab that no other till works on. The same key makes the same
// call act once; it may be empty. It may be called from any goroutine.
func (till *Till) Close(ctx context.Context, tab string, amount int64, key string) error {
	_, err := till.close(ctx, tab, amount, key)
	return err
}

func (till *Till) close(ctx context.Context, tab string, amount int64, key string) (client.Receipt, error) {
	in := client.Close{}
	if amount != 0 {
		in.Payments = []client.Payment{{Type: "Bar", Amount: amount}}
	}
	var options []client.Option
	if key != "" {
		options = append(options, client.WithKey(key))
	}
	return till.api.CloseTab(ctx, tab, in, options...)
}
