package filter

// prose is text P of the golden table: 287 characters, 53 words at white space.
const prose = "The committee met on Tuesday to discuss the new budget. Members of the council said that they have to be careful with spending. In the end, the proposal was accepted and everyone went home with a sense of relief. It will be reviewed again next year, and the public is invited to comment."
