// Package printer makes the text of a receipt and writes it where a printer would print it: into a file. Drivers of real
// printers get the same text.
//
// Whoever prints says so at the till before and after; see the operation print-receipt. Until [File.Print] returned nobody may
// say "done".
package printer
