/** The settings of the registry: those of every daemon, where its content is, its quotas, and the web page. */
import { Settings } from "@effect-oci/daemon"
import * as NodeDaemon from "@effect-oci/daemon/NodeDaemon"
import { Config } from "effect"

export const tables = {
  ...NodeDaemon.tables,
  storage: {
    directory: Settings.withDefault(Config.string, "data"),
    sync: Settings.withDefault((key) => Config.literal("chunk", "commit")(key), "chunk"),
    minFree: Settings.withDefault(Settings.bytes, 1024 ** 3)
  },
  quota: {
    bytes: Settings.optional(Settings.bytes),
    bytesPerName: Settings.optional(Settings.bytes),
    tagsPerName: Settings.optional(Settings.count),
    repositoriesPerName: Settings.optional(Settings.count)
  },
  explorer: {
    enabled: Settings.withDefault(Config.boolean, true),
    connect: Settings.withDefault(Settings.strings, [])
  }
} satisfies Settings.Tables

export type Values = Settings.Values<typeof tables>

/** Reads the settings from `registry.toml`, or from the file that `CONFIG` names, and from the environment. */
export const read = (environment: Settings.Options["environment"]) => Settings.read(tables, { environment })
