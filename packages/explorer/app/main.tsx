import { render } from "preact"
import { watchPolicy } from "./explain.js"
import { Explorer } from "./Explorer.js"

watchPolicy()
render(<Explorer />, document.body)
