/**
 * Serves the registry until a signal stops it (Ctrl-C, SIGTERM). The settings are in `registry.toml` and in the
 * environment: see the README.
 *
 *     node dist/main.js           serves
 *     node dist/main.js --check   reads the settings, prints them, and ends
 */
import * as NodeDaemon from "@effect-oci/daemon/NodeDaemon"
import { Effect } from "effect"
import * as Registry from "./registry.js"
import * as Settings from "./settings.js"

NodeDaemon.run({
  name: "registry",
  settings: Effect.suspend(() => Settings.read(process.env)),
  layer: Registry.layer,
  place: ({ storage }) => storage.directory
})
