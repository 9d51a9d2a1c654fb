/**
 * A lock by which one process owns a directory.
 *
 * The owner listens on a Unix socket in the directory. The system closes the socket when the process ends in any way, so
 * that a lock never remains. The lock covers all processes and containers of one machine, but no other machines: the
 * directory must not be shared over a network.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { lstat, open, readdir, rename, rm } from "node:fs/promises"
import { connect, createServer } from "node:net"
import type { Server } from "node:net"
import { join } from "node:path"

/**
 * The error for a directory that this process cannot own.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockFailed extends Data.TaggedError("OciLockFailed")<{
  readonly directory: string
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `cannot open ${this.directory}: ${this.reason}`
  }
}

/** The names of sockets: before they listen, and afterwards. A socket that does not listen is not mistaken for a dead one. */
const hidden = ".owner-"
const visible = "owner-"

/** How long to wait for the answer of another process. A process that does not answer in time is its owner. */
const timeout = 2000

/** The age at which a socket that never became visible is removed, in milliseconds. */
const maxHiddenAge = 60_000

/** The maximum length of the path of a socket. */
const maxPath = 100

/** What a process answers on its socket. A candidate does not know yet whether it becomes the owner. */
interface Answer {
  readonly status: "owner" | "candidate" | "gone"
  readonly pid?: string | undefined
}

/**
 * Calls a function with a path that is short enough for a socket. Linux has a short path for each open directory.
 */
const withShortPath = async <A>(directory: string, name: string, f: (path: string) => Promise<A>): Promise<A> => {
  const path = join(directory, name)
  if (Buffer.byteLength(path) <= maxPath) return f(path)
  if (process.platform !== "linux") {
    throw new Error(`a socket in it would have a path of more than ${maxPath} bytes; use a shorter path`)
  }
  const handle = await open(directory)
  try {
    return await f(`/proc/self/fd/${handle.fd}/${name}`)
  } finally {
    await handle.close()
  }
}

/** A socket of this process in a directory. */
class OwnSocket {
  readonly name = `${visible}${crypto.randomUUID()}`
  private isOwner = false
  private readonly server: Server

  private constructor(private readonly directory: string) {
    this.server = createServer((socket) => {
      socket.on("error", () => {})
      socket.end(`${this.isOwner ? "owner" : "candidate"} ${process.pid}\n`)
    })
  }

  /** Creates a socket. The others see it when it already listens. */
  static async create(directory: string): Promise<OwnSocket> {
    const own = new OwnSocket(directory)
    const name = `.${own.name}`
    await withShortPath(directory, name, (path) =>
      new Promise<void>((resolve, reject) => {
        own.server.once("error", reject)
        own.server.listen(path, () => resolve())
      }))
    own.server.unref()
    await rename(join(directory, name), join(directory, own.name))
    return own
  }

  becomeOwner(): void {
    this.isOwner = true
  }

  async remove(): Promise<void> {
    await rm(join(this.directory, this.name), { force: true })
    await new Promise<void>((resolve) => void this.server.close(() => resolve()))
  }
}

/** Asks the process that listens on a socket for its status. */
const ask = (path: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ""
    socket.setEncoding("utf8").setTimeout(timeout, () => {
      socket.destroy()
      resolve({ status: "owner" })
    })
    socket.on("data", (chunk) => {
      text += String(chunk)
    })
    socket.on("end", () => {
      const [status, pid] = text.trim().split(" ")
      // A process that is ending closes its socket without an answer.
      resolve(status === "owner" || status === "candidate" ? { status, pid } : { status: "candidate" })
    })
    socket.on("error", (error: NodeJS.ErrnoException) =>
      ["ECONNREFUSED", "ENOENT"].includes(error.code ?? "")
        ? resolve({ status: "gone" })
        : error.code === "ECONNRESET"
        ? resolve({ status: "candidate" })
        : reject(error))
  })

/** Returns the other processes at a directory. Removes the sockets of processes that have ended. */
const others = async (
  directory: string,
  own: OwnSocket
): Promise<ReadonlyArray<Answer & { readonly name: string }>> => {
  const answers = (await readdir(directory))
    .filter((name) => name !== own.name && (name.startsWith(visible) || name.startsWith(hidden)))
    .map(async (name) => {
      const answer = await withShortPath(directory, name, ask)
      const path = join(directory, name)
      const isOld = async () => Date.now() - (await lstat(path)).mtimeMs > maxHiddenAge
      if (answer.status === "gone" && (name.startsWith(visible) || await isOld().catch(() => false))) {
        await rm(path, { force: true })
      }
      return { ...answer, name }
    })
  return (await Promise.all(answers)).filter(({ name, status }) => name.startsWith(visible) && status !== "gone")
}

/**
 * Tries to become the owner. Returns `undefined` if another candidate is preferred. Of two candidates, the one with the
 * lesser name waits until the other one has given up, or has become the owner because it did not see the first.
 */
const tryAcquire = async (directory: string): Promise<OwnSocket | undefined> => {
  const own = await OwnSocket.create(directory)
  try {
    while (true) {
      const found = await others(directory, own)
      const owner = found.find(({ status }) => status === "owner")
      if (owner !== undefined) {
        const who = owner.pid === undefined ? "another process" : `process ${owner.pid}`
        throw new Error(`${who} uses it; stop that process, or use another directory`)
      }
      if (found.length === 0) {
        own.becomeOwner()
        return own
      }
      if (found.some(({ name }) => name < own.name)) {
        await own.remove()
        return undefined
      }
      await pause(10)
    }
  } catch (error) {
    await own.remove()
    throw error
  }
}

/** Tries again while another candidate is preferred. */
const acquireSocket = async (directory: string): Promise<OwnSocket> => {
  while (true) {
    const own = await tryAcquire(directory)
    if (own !== undefined) return own
    await pause(20 + Math.random() * 80)
  }
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const reasonOf = ({ code, message }: NodeJS.ErrnoException): string =>
  code === undefined
    ? message
    : `a socket in it cannot be created (${code}); use a directory on a local disk that this user may write`

/**
 * Makes this process the owner of a directory until the end of the scope. Fails if another process is its owner. The
 * directory must exist.
 *
 * @since 0.1.0
 * @category constructors
 */
export const acquire = (directory: string): Effect.Effect<void, LockFailed, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.tryPromise({
        try: () => acquireSocket(directory),
        catch: (cause) => new LockFailed({ directory, reason: reasonOf(cause as NodeJS.ErrnoException), cause })
      }),
      (own) => Effect.promise(() => own.remove().catch(() => {}))
    )
  )
