package api

import (
	"github.com/tillmesh/tillmesh/node"
	state "github.com/tillmesh/tillmesh/node/disk"
)

// disk is the file system of the data directory.
type disk struct {
	FreeBytes uint64 `json:"free_bytes" doc:"What this program may still write"`
	RoomBytes uint64 `json:"room_bytes" doc:"What the limits are held against: free, less what the reserve of the till lacks"`
	Level     string `json:"level" doc:"fine, low, no-new-tabs, closed, full, read-only or failing; unknown if it is not watched" example:"fine"`
	Text      string `json:"text" doc:"How it is, in one sentence; empty if all is well"`
	Hint      string `json:"hint" doc:"What to do, empty if nothing"`
}

func diskOf(v node.Status) disk {
	if v.Disk == nil {
		return disk{Level: state.Unknown.String()}
	}
	return showDisk(*v.Disk)
}

func showDisk(r state.Report) disk {
	d := disk{FreeBytes: r.Free, RoomBytes: r.Room, Level: r.Level.String(), Hint: r.Next()}
	if r.Level != state.Fine {
		d.Text = r.Sentence()
	}
	return d
}
