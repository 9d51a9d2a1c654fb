import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import type { Transfer } from "../programs/client.js"

/** A command failed, or received an unexpected answer. */
export class CommandFailed
  extends Data.TaggedError("CommandFailed")<{ readonly command: string; readonly reason: string }>
{
  override get message(): string {
    return `${this.command}: ${this.reason}`
  }
}

/** Runs a command and returns its standard output. */
export const run = (command: string, ...args: ReadonlyArray<string>): Effect.Effect<string, CommandFailed> =>
  Effect.async((resume, signal) => {
    execFile(command, args, { signal, encoding: "utf8" }, (error, stdout) =>
      resume(
        error === null
          ? Effect.succeed(stdout)
          : Effect.fail(new CommandFailed({ command: [command, ...args].join(" "), reason: error.message }))
      ))
  })

interface Answer {
  readonly headers: ReadonlyMap<string, string>
  /** The duration that curl measured, in seconds, without the start of its process. */
  readonly seconds: number
}

const request = (status: number, ...args: ReadonlyArray<string>): Effect.Effect<Answer, CommandFailed> =>
  Effect.flatMap(
    run("curl", "--silent", "--show-error", "--dump-header", "-", "--write-out", "%{http_code} %{time_total}", ...args),
    (text) => {
      const lines = text.trim().split("\r\n")
      const [actual, seconds] = (lines.at(-1) ?? "").split(" ")
      return Number(actual) === status
        ? Effect.succeed({
          headers: new Map(
            lines.map((line) => [line.split(":", 1).join("").toLowerCase(), line.replace(/^[^:]*: */, "")])
          ),
          seconds: Number(seconds)
        })
        : Effect.fail(new CommandFailed({ command: ["curl", ...args].join(" "), reason: text }))
    }
  )

const nowhere = ["--output", "/dev/null"]

/** Pushes a file with a POST and a PUT. Returns the duration of both, in seconds. */
export const push = ({ authority, digest, file, repository }: Transfer): Effect.Effect<number, CommandFailed> =>
  Effect.gen(function*() {
    const start = `http://${authority}/v2/${repository}/blobs/uploads/`
    const opened = yield* request(202, ...nowhere, "--request", "POST", "--header", "Content-Length: 0", start)
    const location = new URL(opened.headers.get("location") ?? "", start)
    location.searchParams.append("digest", digest)
    const content = ["--header", "Content-Type: application/octet-stream", "--upload-file", file]
    const done = yield* request(201, ...nowhere, ...content, location.href)
    return opened.seconds + done.seconds
  })

/** Pulls a blob into a file. Returns the duration, in seconds. */
export const pull = ({ authority, digest, file, repository }: Transfer): Effect.Effect<number, CommandFailed> =>
  Effect.map(
    request(200, "--output", file, `http://${authority}/v2/${repository}/blobs/${digest}`),
    ({ seconds }) => seconds
  )

/** Downloads content of a known size, and drops it. Returns the duration, in seconds. */
export const download = (url: string, size: number): Effect.Effect<number, CommandFailed> =>
  Effect.flatMap(
    run("curl", "--silent", "--fail", "--write-out", "%{time_total} %{size_download}", ...nowhere, url),
    (text) => {
      const [seconds, received] = text.split(" ").map(Number)
      return received === size && seconds !== undefined
        ? Effect.succeed(seconds)
        : Effect.fail(new CommandFailed({ command: `curl ${url}`, reason: `expected ${size} bytes: ${text}` }))
    }
  )

/** Uploads a file with a PUT. Returns the duration, in seconds. */
export const upload = (url: string, file: string): Effect.Effect<number, CommandFailed> =>
  Effect.map(
    run(
      "curl",
      "--silent",
      "--fail",
      "--write-out",
      "%{time_total}",
      ...nowhere,
      "--header",
      "Expect:",
      "-T",
      file,
      url
    ),
    Number
  )

/** Deletes a blob from its repository. */
export const remove = ({ authority, digest, repository }: Omit<Transfer, "file">): Effect.Effect<void, CommandFailed> =>
  Effect.asVoid(
    request(202, ...nowhere, "--request", "DELETE", `http://${authority}/v2/${repository}/blobs/${digest}`)
  )
