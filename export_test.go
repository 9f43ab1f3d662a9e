package doorward

// Hasten is what every request's body goes through, with the bound as an argument.
var Hasten = hasten
