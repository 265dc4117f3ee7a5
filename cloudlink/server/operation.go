package server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

// answer is how huma wants a result.
type answer[T any] struct{ Body T }

// add adds an operation: huma decodes and checks, handle does it. The caller has all the rights.
func add[I, O any](s *Server, op opDoc, rights []accounts.Right, handle func(context.Context, *I) (O, error)) {
	s.describe(&op, rights)
	huma.Register(s.doc, op, func(ctx context.Context, in *I) (*answer[O], error) {
		out, err := allowed(ctx, rights, in, handle)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return &answer[O]{out}, nil
	})
}

// addQuiet adds an operation that answers with nothing but 204.
func addQuiet[I any](s *Server, op opDoc, rights []accounts.Right, handle func(context.Context, *I) error) {
	s.describe(&op, rights)
	huma.Register(s.doc, op, func(ctx context.Context, in *I) (*struct{}, error) {
		_, err := allowed(ctx, rights, in, func(ctx context.Context, in *I) (struct{}, error) { return struct{}{}, handle(ctx, in) })
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return nil, nil
	})
}

func allowed[I, O any](ctx context.Context, rights []accounts.Right, in *I, handle func(context.Context, *I) (O, error)) (out O, err error) {
	for _, r := range rights {
		if err := callerOf(ctx).Need(r); err != nil {
			return out, err
		}
	}
	return handle(ctx, in)
}

// What operations need.
var (
	nothing = []accounts.Right(nil)
	read    = []accounts.Right{accounts.RightRead}
	write   = []accounts.Right{accounts.RightRead, accounts.RightWrite}
	archive = []accounts.Right{accounts.RightRead, accounts.RightArchive}
	manage  = []accounts.Right{accounts.RightManage}
)

// opDoc is an operation as the document shows it.
type opDoc = huma.Operation

// operation names an operation. Words are its tag, ID, summary and description.
func operation(method, path, tag, id, summary, description string) opDoc {
	return opDoc{
		Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{tag},
		Description: strings.TrimSpace(description),
	}
}

// created makes an operation answer with 201.
func created(op opDoc) opDoc {
	op.DefaultStatus = http.StatusCreated
	return op
}

// rightsText says what an operation needs, for its description.
func rightsText(rights []accounts.Right) string {
	var words []string
	for _, r := range rights {
		words = append(words, string(r))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
