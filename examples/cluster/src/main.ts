/**
 * Serves as one node of the registry until a signal stops it (Ctrl-C, SIGTERM). The settings are in `registry.toml` and in
 * the environment: see the README.
 *
 *     node dist/main.js                    serves
 *     node dist/main.js --check            reads the settings, prints them, and ends
 *     node dist/main.js --keys DIRECTORY   creates the keys that all nodes share, and ends
 */
import * as NodeDaemon from "@effect-oci/daemon/NodeDaemon"
import * as NodeSecrets from "@effect-oci/daemon/NodeSecrets"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import * as Registry from "./registry.js"
import * as Settings from "./settings.js"

const [, , option, directory] = process.argv

if (option === "--keys" && directory !== undefined) {
  NodeRuntime.runMain(Effect.provide(NodeSecrets.create(directory), NodeContext.layer))
} else {
  NodeDaemon.run({
    name: "registry",
    settings: Effect.suspend(() => Settings.read(process.env)),
    layer: Registry.layer,
    place: ({ s3 }) => `${s3.endpoint}/${s3.bucket}`
  })
}
