import { describe } from "@effect/vitest"
import { node } from "./servers.js"
import { lists } from "./suites/lists.js"
import { management } from "./suites/management.js"
import { pull } from "./suites/pull.js"
import { push } from "./suites/push.js"
import { refusals } from "./suites/refusals.js"

describe(node.name, () => {
  pull(node)
  push(node)
  management(node)
  lists(node)
  refusals(node)
})
