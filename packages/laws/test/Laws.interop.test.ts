import * as NodeSql from "@effect-oci/testing/NodeSql"
import { afterAll } from "@effect/vitest"
import * as Laws from "../src/Laws.js"
import * as Wrappers from "../src/Wrappers.js"

const postgres = NodeSql.postgres()
afterAll(postgres.close)

await Laws.suite("the wrappers over PostgreSQL", {
  wrappers: Wrappers.all,
  backends: { "memory and PostgreSQL": () => postgres.registry() },
  runs: 20,
  maxLength: 15,
  seed: 19
})
