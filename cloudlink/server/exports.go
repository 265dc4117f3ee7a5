package server

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt"
)

func (s *Server) addExports() {
	add(s, operation(http.MethodGet, "/api/v1/archive/exports", "Archive", "list-exports", "List exports", `The newest first.`), archive, s.listExports)
	start := operation(http.MethodPost, "/api/v1/archive/exports", "Archive", "start-export", "Begin an export",
		`One file with everything in open formats and the proofs; "cloud verify FILE" checks it without any server. It is made in the
background: ask for it until its state is done.`)
	start.DefaultStatus = http.StatusAccepted
	add(s, start, archive, s.startExport)
	add(s, operation(http.MethodGet, "/api/v1/archive/exports/{id}", "Archive", "get-export", "Get the state of an export", ``), archive, s.getExport)
	s.raw("GET /api/v1/archive/exports/{id}/file", route{long: true}, s.downloadExport)
}

// rangeIn says what an export or a hold is about.
type rangeIn struct {
	Shop string `json:"shop,omitempty" maxLength:"26" doc:"ID of one shop; left out: all shops of the account"`
	From string `json:"from,omitempty" format:"date" doc:"First business day, YYYY-MM-DD; left out: from the beginning"`
	To   string `json:"to,omitempty" format:"date" doc:"Last business day, YYYY-MM-DD; left out: to the end"`
}

// rangeOf checks a range and that its shop belongs to the account.
func (s *Server) rangeOf(ctx context.Context, in rangeIn) (out ExportRange, err error) {
	if err := checkDays("body.", in.From, in.To); err != nil {
		return out, err
	}
	out.From, out.To = in.From, in.To
	if in.Shop == "" {
		return out, nil
	}
	id, err := parseShop("body.shop", in.Shop)
	if err != nil {
		return out, err
	}
	v, err := s.o.Accounts.Shop(ctx, callerOf(ctx), id)
	out.Shop = v.ID
	return out, err
}

// export is one export.
type export struct {
	ID       string `json:"id" doc:"26 characters"`
	Shop     string `json:"shop" doc:"Empty: all shops of the account"`
	From     string `json:"from" doc:"First business day; empty: from the beginning"`
	To       string `json:"to" doc:"Last business day; empty: to the end"`
	State    string `json:"state" enum:"running,done,failed"`
	Error    string `json:"error,omitempty" doc:"failed: why"`
	Begun    string `json:"begun" doc:"RFC 3339"`
	Finished string `json:"finished,omitempty" doc:"RFC 3339"`
	Leaves   int64  `json:"leaves" doc:"Leaves in it so far"`
	Size     int64  `json:"size" doc:"Bytes; 0 until it is done"`
	SHA256   string `json:"sha256,omitempty" doc:"Of the file, hexadecimal"`
	File     string `json:"file,omitempty" doc:"Path to download it, when it is done"`
}

func showExport(e Export) export {
	out := export{
		ID: e.ID.String(), Shop: shopText(e.Range.Shop), From: e.Range.From, To: e.Range.To, State: e.State, Error: e.Error, Begun: instant(e.Begun),
		Finished: instant(e.Finished), Leaves: e.Leaves, Size: e.Size,
	}
	if e.State == "done" {
		out.SHA256, out.File = hex.EncodeToString(e.SHA256[:]), "/api/v1/archive/exports/"+e.ID.String()+"/file"
	}
	return out
}

func (s *Server) listExports(ctx context.Context, _ *struct{}) (page[export], error) {
	list, err := s.o.Exports.Exports(ctx, callerOf(ctx).Account)
	return whole(list, showExport), err
}

type startExportIn struct{ Body rangeIn }

func (s *Server) startExport(ctx context.Context, in *startExportIn) (export, error) {
	want, err := s.rangeOf(ctx, in.Body)
	if err != nil {
		return export{}, err
	}
	e, err := s.o.Exports.StartExport(ctx, callerOf(ctx).Account, want)
	return showExport(e), err
}

func (s *Server) getExport(ctx context.Context, in *oneIn) (export, error) {
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return export{}, err
	}
	e, err := s.o.Exports.Export(ctx, callerOf(ctx).Account, id)
	return showExport(e), err
}

// downloadExport sends the file of an export.
func (s *Server) downloadExport(w http.ResponseWriter, r *http.Request) {
	if p := s.sendExport(w, r); p != nil {
		p.write(w)
	}
}

func (s *Server) sendExport(w http.ResponseWriter, r *http.Request) *problem {
	ctx := r.Context()
	for _, right := range archive {
		if err := callerOf(ctx).Need(right); err != nil {
			return s.problemOf(ctx, err)
		}
	}
	id, err := crdt.ParseObjectID(r.PathValue("id"))
	if err != nil {
		return s.problemOf(ctx, invalid("path.id", "path.id: %v", err))
	}
	file, size, err := s.o.Exports.OpenExport(ctx, callerOf(ctx).Account, id)
	if err != nil {
		return s.problemOf(ctx, err)
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.Header().Set("Content-Disposition", `attachment; filename="export-`+id.String()+`.zip"`)
	_, err = io.Copy(&paced{w, http.NewResponseController(w)}, file)
	if err = errors.Join(err, file.Close()); err != nil {
		s.log.DebugContext(ctx, "a download ended early", "error", err)
		panic(http.ErrAbortHandler) // the client must see that it is not whole
	}
	return nil
}
