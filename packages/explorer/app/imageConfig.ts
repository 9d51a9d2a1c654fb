/** The config of an image: what it runs, and how it was built. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import * as json from "./json.js"

export interface Step {
  readonly created: string | undefined
  readonly command: string
  readonly comment: string | undefined
  readonly isEmpty: boolean
}

export interface ImageConfig {
  readonly created: string | undefined
  readonly platform: string | undefined
  /** Names and values that matter to somebody who runs the image. */
  readonly facts: ReadonlyArray<readonly [name: string, value: string | undefined]>
  readonly environment: ReadonlyArray<readonly [name: string, value: string]>
  readonly labels: ReadonlyArray<readonly [name: string, value: string]>
  readonly history: ReadonlyArray<Step>
}

const quoted = (words: ReadonlyArray<string>): string | undefined =>
  words.length === 0
    ? undefined
    : words.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word)).join(" ")

const joined = (texts: ReadonlyArray<string>): string | undefined => texts.length === 0 ? undefined : texts.join(", ")

export const platformOf = (value: unknown): string | undefined =>
  joined([
    [json.text(value, "os"), json.text(value, "architecture"), json.text(value, "variant")]
      .filter((part) => part !== undefined).join("/")
  ].filter((text) => text !== ""))

const variable = (text: string): readonly [string, string] => {
  const equals = text.indexOf("=")
  return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)]
}

/** Removes what builders write before the command itself. */
const command = (text: string): string =>
  text.replace(/^\/bin\/sh -c #\(nop\)\s+/, "").replace(/^(?:RUN )?(?:\|\d+ .*? )?\/bin\/sh -c /, "RUN ").trim()

/** Reads a config. Members that are malformed count as absent. */
export const make = (config: unknown): ImageConfig => {
  const at = (...path: ReadonlyArray<string>) => ["config", ...path]
  return {
    created: json.text(config, "created"),
    platform: platformOf(config),
    facts: [
      ["Entry point", quoted(json.texts(config, ...at("Entrypoint")))],
      ["Command", quoted(json.texts(config, ...at("Cmd")))],
      ["Working directory", json.text(config, ...at("WorkingDir"))],
      ["User", json.text(config, ...at("User"))],
      ["Ports", joined(json.names(config, ...at("ExposedPorts")))],
      ["Volumes", joined(json.names(config, ...at("Volumes")))],
      ["Stop signal", json.text(config, ...at("StopSignal"))],
      ["Health check", quoted(json.texts(config, ...at("Healthcheck", "Test")))],
      ["Author", json.text(config, "author")]
    ],
    environment: json.texts(config, ...at("Env")).map(variable),
    labels: json.entries(config, ...at("Labels")),
    history: json.list(config, "history").map((step) => ({
      created: json.text(step, "created"),
      command: command(json.text(step, "created_by") ?? ""),
      comment: json.text(step, "comment"),
      isEmpty: json.at(step, "empty_layer") === true
    }))
  }
}

/** A line of the history with the layer that it made, or a layer that no line names. */
export interface BuildStep {
  readonly step: Step | undefined
  readonly layer: Descriptor | undefined
}

/** Pairs the lines of the history with the layers. If their numbers differ, no line is paired. */
export const steps = (history: ReadonlyArray<Step>, layers: ReadonlyArray<Descriptor>): ReadonlyArray<BuildStep> => {
  if (history.filter(({ isEmpty }) => !isEmpty).length !== layers.length) {
    return layers.map((layer) => ({ step: undefined, layer }))
  }
  let next = 0
  return history.map((step) => ({ step, layer: step.isEmpty ? undefined : layers[next++] }))
}
