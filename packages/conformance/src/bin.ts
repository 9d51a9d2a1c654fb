#!/usr/bin/env node
import * as module from "node:module"

// What Node 22.8 or newer compiles, it keeps for the next start.
const { enableCompileCache } = module as { readonly enableCompileCache?: () => void }
enableCompileCache?.()

void Promise.all([import("@effect/platform-node/NodeRuntime"), import("./NodeCli.js")]).then(
  ([{ runMain }, { main }]) => runMain(main)
)
