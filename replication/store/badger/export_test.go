package badger

// BadgerOptions lets the benchmark run Badger alone with the same options.
var BadgerOptions = badgerOptions
