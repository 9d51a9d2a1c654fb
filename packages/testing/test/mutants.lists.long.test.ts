import { areas } from "./suites/areas.js"
import { findEachOther } from "./suites/mutants.js"

findEachOther(areas.lists, "all checks")
