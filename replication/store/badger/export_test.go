package badger

// BadgerOptions lets the benchmark run Badger alone with the same options.
var BadgerOptions = badgerOptions

// MapOpenError is tested by texts that only some damages of a table bring about.
var MapOpenError = mapOpenError
