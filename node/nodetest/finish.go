package nodetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/tillmesh/tillmesh/node/client"
)

// linesError says that a tab has not the lines it should have yet.
type linesError struct{ have, want int }

func (e linesError) Error() string {
	return fmt.Sprintf("the tab has %d lines, not %d", e.have, e.want)
}

// Close pays amount, in minor units, in cash and closes a tab, after it took the tab over if another till holds it. The
// same key makes the same call act once. It may be called from any goroutine.
func (till *Till) Close(ctx context.Context, tab string, amount int64, key string) error {
	_, err := till.finish(ctx, tab, amount, key)
	return err
}

// finish pays amount in cash and closes a tab, after it took the tab over if another till holds it. A key makes it
// repeatable. It may be called from any goroutine.
func (till *Till) finish(ctx context.Context, tab string, amount int64, key string) (r client.Receipt, err error) {
	in := client.Close{}
	if amount != 0 {
		in.Payments = []client.Payment{{Type: "Bar", Amount: amount}}
	}
	var header []string
	if key != "" {
		header = []string{"Idempotency-Key", key}
	}
	path := "/api/v1/tabs/" + tab
	a, err := till.Send(ctx, http.MethodPost, path+"/close", in, header...)
	if err != nil {
		return r, err
	}
	if err = a.OK(); client.CodeOf(err) == "held-by" {
		take, err := till.Send(ctx, http.MethodPost, path+"/claim", map[string]bool{"force": true})
		if err != nil {
			return r, err
		}
		if err := take.OK(); err != nil {
			return r, fmt.Errorf("take the tab over: %w", err)
		}
		if key != "" { // the refusal was kept under the first key
			header[1] += " after take-over"
		}
		if a, err = till.Send(ctx, http.MethodPost, path+"/close", in, header...); err != nil {
			return r, err
		}
		if err := a.OK(); err != nil {
			return r, err
		}
	} else if err != nil {
		return r, err
	}
	if err := json.Unmarshal(a.Body, &r); err != nil {
		return r, fmt.Errorf("receipt: %w", err)
	}
	return r, nil
}
