/** The settings of a node: those of every daemon, of the database and of S3, the quotas, and where the shared keys
 * are. */
import { Clustered } from "@effect-oci/clustered"
import { Settings } from "@effect-oci/daemon"
import * as NodeDaemon from "@effect-oci/daemon/NodeDaemon"
import { Config, Duration } from "effect"

export const tables = {
  ...NodeDaemon.tables,
  server: {
    ...NodeDaemon.tables.server,
    drain: Settings.withDefault(Config.duration, Duration.seconds(10)),
    behindProxy: Settings.withDefault(Config.boolean, true)
  },
  ...Clustered.tables,
  quota: {
    bytes: Settings.optional(Settings.bytes),
    bytesPerName: Settings.optional(Settings.bytes),
    tagsPerName: Settings.optional(Settings.count),
    repositoriesPerName: Settings.optional(Settings.count)
  },
  keys: {
    directory: Settings.required(Config.string)
  }
} satisfies Settings.Tables

export type Values = Settings.Values<typeof tables>

/** Reads the settings from `registry.toml`, or from the file that `CONFIG` names, and from the environment. */
export const read = (environment: Settings.Options["environment"]) => Settings.read(tables, { environment })
