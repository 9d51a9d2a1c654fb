import { Memory } from "@effect-oci/store"
import * as Conformance from "../src/Conformance.js"

await Conformance.suite("memory", Memory.layer({ anonymousMount: true }))
