package shop

import "github.com/tillmesh/tillmesh/crdt/document"

// Conflict is a register that waits for a decision. The values of its candidates are of the register's type (TillName,
// Business, ...).
type Conflict = document.Conflict

// Candidate is one of the values of a conflict.
type Candidate = document.Candidate
