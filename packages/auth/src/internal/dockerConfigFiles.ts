import { CredentialError } from "@effect-oci/core/RegistryError"
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as DockerConfig from "../DockerConfig.js"

/** A source of credentials: the path of a file, or the text itself. */
interface Source {
  readonly name: string
  readonly text?: string
}

const sources = (environment: { readonly [name: string]: string | undefined }): ReadonlyArray<Source> => {
  const variable = (name: string) => environment[name] === "" ? undefined : environment[name]
  const home = variable("HOME") ?? variable("USERPROFILE")
  const inFolder = (folder: string | undefined, path: string): ReadonlyArray<Source> =>
    folder === undefined ? [] : [{ name: `${folder}/${path}` }]
  const inHome = (path: string) => home === undefined ? undefined : `${home}/${path}`
  const inline = variable("DOCKER_AUTH_CONFIG")
  const single = variable("REGISTRY_AUTH_FILE")
  return [
    ...(inline === undefined ? [] : [{ name: "$DOCKER_AUTH_CONFIG", text: inline }]),
    ...(single === undefined ? [] : [{ name: single }]),
    ...inFolder(variable("DOCKER_CONFIG") ?? inHome(".docker"), "config.json"),
    ...inFolder(variable("XDG_RUNTIME_DIR"), "containers/auth.json"),
    ...inFolder(variable("XDG_CONFIG_HOME") ?? inHome(".config"), "containers/auth.json")
  ]
}

/** The maximum size of a file, in bytes. */
const maxBytes = 1024 * 1024

/** Reads the text of a file. Returns an empty text if the file does not exist. */
const read = (fs: FileSystem.FileSystem, path: string): Effect.Effect<string, CredentialError> => {
  const failed = (reason: string) => new CredentialError({ reason: `${path} cannot be read: ${reason}` })
  return fs.stat(path).pipe(
    Effect.flatMap(({ size }): Effect.Effect<string, CredentialError | PlatformError> =>
      size > maxBytes ? Effect.fail(failed(`it has more than ${maxBytes} bytes`)) : fs.readFileString(path)
    ),
    Effect.catchTags({
      SystemError: (error) => error.reason === "NotFound" ? Effect.succeed("") : Effect.fail(failed(error.reason)),
      BadArgument: () => Effect.fail(failed("its path is malformed"))
    })
  )
}

/** Reads all sources that exist. Returns them in order of priority. */
export const load = (
  fs: FileSystem.FileSystem,
  environment: { readonly [name: string]: string | undefined }
): Effect.Effect<ReadonlyArray<DockerConfig.DockerConfig>, CredentialError> =>
  Effect.map(
    Effect.forEach(sources(environment), ({ name, text }) =>
      Effect.flatMap(
        text === undefined ? read(fs, name) : Effect.succeed(text),
        (text) => text.trim() === "" ? Effect.succeed([]) : Effect.map(DockerConfig.parse(text, name), (file) => [file])
      )),
    (files) => files.flat()
  )
