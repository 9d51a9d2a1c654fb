/** The entry in a browser: a page of the server that wants to know the results. */
import { run } from "./program.js"

void run(location.origin)
