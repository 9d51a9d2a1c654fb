import { describe } from "@effect/vitest"
import { platform } from "./servers.js"
import { lists } from "./suites/lists.js"
import { management } from "./suites/management.js"
import { pull } from "./suites/pull.js"
import { push } from "./suites/push.js"
import { refusals } from "./suites/refusals.js"

describe(platform.name, () => {
  pull(platform)
  push(platform)
  management(platform)
  lists(platform)
  refusals(platform)
})
