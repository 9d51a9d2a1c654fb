import { areas } from "./suites/areas.js"
import { testArea } from "./suites/mutants.js"

testArea(areas.uploads, "all checks")
