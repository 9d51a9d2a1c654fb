import type * as Body from "@effect-oci/core/Body"
import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import type { Appended, BlobKey, OpenUpload, Service, UploadToken } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import { constants } from "node:fs"
import { join } from "node:path"
import type { FileError } from "../NodeDurableFile.js"
import * as files from "../NodeDurableFile.js"
import type { File } from "../NodeFileSystem.js"
import type { BlobDirectories } from "./blobDirectories.js"
import * as names from "./names.js"

/** Only the user of the process reads what is stored. */
const mode = 0o600

const anyFile = constants.O_WRONLY | constants.O_CREAT
const newFile = anyFile | constants.O_EXCL

type Ended = Deferred.Deferred<never, StoreError.Stale | StoreError.UploadUnknown>

/** When bytes are synced: before a chunk is acknowledged, before an upload becomes a blob, or never. */
type Sync = "chunk" | "commit" | "never"

/** What is known about an upload while this process runs. */
interface Session {
  /** The highest fence of an append. */
  fence: number
  /** Ends the newest append while it runs. */
  running: Ended | undefined
  /** Whether bytes below the offset may not be on the disk yet. */
  needsSync: boolean
  /** Whether a sync failed. The system may have dropped the bytes, so the upload cannot continue. */
  hasFailed: boolean
}

type Result<Method extends "append" | "commit" | "put"> = ReturnType<Service[Method]>

export const failed = (cause: FileError): StoreError.Failed => new StoreError.Failed({ cause })

/** Maps an error of a call that needs space. */
const failedOrFull = (error: FileError): StoreError.Failed | StoreError.Full =>
  error.isFull ? new StoreError.Full() : failed(error)

/**
 * Writes blobs. The bytes of a blob are in a file in `uploads` until all of them are on the disk. Then the file moves to
 * its place, and the directory is synced. A blob that is visible is therefore complete, also after a power failure.
 */
export class Uploads {
  private readonly sessions = new Map<UploadToken, Session>()
  private readonly putting = new Set<string>()
  private readonly mutex = KeyedMutex.make()

  constructor(
    private readonly path: string,
    private readonly blobs: BlobDirectories,
    private readonly sync: Sync
  ) {}

  put(key: BlobKey, body: Body.Body): Result<"put"> {
    const path = join(this.path, key)
    const written = files.use(path, newFile, (file) =>
      Effect.zipLeft(
        files.receiveBody(path, file, body, 0),
        this.sync === "never" ? Effect.void : files.attempt("sync", path, () => file.datasync())
      ), mode)
    return names.check(key).pipe(
      Effect.zipRight(written),
      Effect.tap(Effect.uninterruptible(this.publish(path, key))),
      Effect.onError(() => Effect.ignore(files.remove(path))),
      (put) => this.whilePutting(key, put),
      Effect.catchTags({
        OciFileError: (error) => Effect.fail(failedOrFull(error)),
        OciBodyError: ({ error: cause }) => Effect.fail(new StoreError.BodyBroken({ appended: undefined, cause }))
      })
    )
  }

  open(id: string, key: BlobKey): Effect.Effect<UploadToken, StoreError.Failed | StoreError.Full> {
    return Effect.suspend(() => {
      const token = names.tokenOf(key, id)
      return names.check(key).pipe(
        Effect.zipRight(files.use(join(this.path, token), anyFile, () => Effect.void, mode)),
        Effect.mapBoth({
          onFailure: failedOrFull,
          onSuccess: () => {
            // The entry of the file is not synced: a client whose session a power failure takes starts a new one.
            if (!this.sessions.has(token)) {
              this.sessions.set(token, { fence: 0, running: undefined, needsSync: false, hasFailed: false })
            }
            return token
          }
        })
      )
    })
  }

  append({ body, fence, offset, token }: Parameters<Service["append"]>[0]): Result<"append"> {
    return Effect.suspend((): Result<"append"> => {
      const session = this.sessionOf(token)
      if (session === undefined || session.hasFailed) return Effect.fail(new StoreError.UploadUnknown())
      const isRunning = session.running !== undefined
      if (fence < session.fence || (fence === session.fence && isRunning)) return Effect.fail(new StoreError.Stale())
      session.fence = fence
      this.end(session, new StoreError.Stale())
      const ended: Ended = Deferred.unsafeMake(FiberId.none)
      session.running = ended
      const own = this.mutex(token)(this.appendTo(token, session, offset, body))
      return Effect.ensuring(
        Effect.raceFirst(own, Deferred.await(ended)),
        Effect.sync(() => {
          if (session.running === ended) session.running = undefined
        })
      )
    })
  }

  commit({ size, token }: Parameters<Service["commit"]>[0]): Result<"commit"> {
    return Effect.suspend((): Result<"commit"> => {
      const parsed = names.parseToken(token)
      const session = this.sessionOf(token)
      if (parsed === undefined || session === undefined || session.hasFailed) {
        return Effect.fail(new StoreError.UploadUnknown())
      }
      this.end(session, new StoreError.UploadUnknown())
      return this.mutex(token)(Effect.uninterruptible(this.commitAs(parsed.key, token, session, size)))
    })
  }

  /** Aborts an upload. A body that aborts its own upload is interrupted, but the abort is not. */
  abort(token: UploadToken): Effect.Effect<void, StoreError.Failed> {
    return Effect.uninterruptible(Effect.suspend(() => {
      if (names.parseToken(token) === undefined && !names.isKey(token)) return Effect.void
      const session = this.sessions.get(token)
      if (session !== undefined) this.end(session, new StoreError.UploadUnknown())
      return this.mutex(token)(
        Effect.map(files.remove(join(this.path, token)), () => {
          this.sessions.delete(token)
        })
      )
    })).pipe(Effect.mapError(failed))
  }

  list(after: BlobKey | undefined, n: number): Effect.Effect<ReadonlyArray<OpenUpload>, StoreError.Failed> {
    return files.attempt("list", this.path, (system) => system.readdir(this.path)).pipe(
      Effect.mapBoth({
        onFailure: failed,
        onSuccess: (found) =>
          found.flatMap((name) => this.uploadOf(name) ?? [])
            .filter(({ key }) => after === undefined || key > after)
            .sort((one, other) => one.key < other.key ? -1 : 1)
            .slice(0, n)
      })
    )
  }

  /** Returns the upload of a file. What a `put` left behind is an upload that can only be aborted. */
  private uploadOf(name: string): OpenUpload | undefined {
    const token = name as UploadToken
    const parsed = names.parseToken(name)
    if (parsed !== undefined) return { ...parsed, token }
    return names.isKey(name) && !this.putting.has(name) ? { id: name, key: name as BlobKey, token } : undefined
  }

  private whilePutting<A, E>(key: BlobKey, put: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      this.putting.add(key)
      return Effect.ensuring(put, Effect.sync(() => this.putting.delete(key)))
    })
  }

  /** Returns the session of an upload. An upload of an earlier process has no session yet. */
  private sessionOf(token: UploadToken): Session | undefined {
    const known = this.sessions.get(token)
    if (known !== undefined || names.parseToken(token) === undefined) return known
    const session: Session = {
      fence: 0,
      running: undefined,
      needsSync: this.sync !== "never",
      hasFailed: false
    }
    this.sessions.set(token, session)
    return session
  }

  /** Ends the append that runs. */
  private end(session: Session, why: StoreError.Stale | StoreError.UploadUnknown): void {
    if (session.running !== undefined) Deferred.unsafeDone(session.running, Effect.fail(why))
    session.running = undefined
  }

  private appendTo(token: UploadToken, session: Session, offset: number, body: Body.Body): Result<"append"> {
    const path = join(this.path, token)
    const write = (file: File) =>
      Effect.gen(this, function*() {
        const { size } = yield* files.attempt("open", path, () => file.stat())
        if (size < offset) return yield* Effect.fail(new StoreError.OffsetMismatch({ offset: size }))
        if (size > offset) yield* files.attempt("truncate", path, () => file.truncate(offset))
        const received = yield* Effect.either(files.receiveBody(path, file, body, offset))
        if (received._tag === "Left" && received.left._tag === "OciFileError") {
          // Frees the space of bytes that do not count.
          yield* Effect.ignore(files.attempt("truncate", path, () => file.truncate(offset)))
          return yield* Effect.fail(received.left)
        }
        if (this.sync === "chunk") yield* this.syncData(path, file, session)
        else session.needsSync = this.sync === "commit"
        const appended = (written: number): Appended => ({ offset: offset + written, token })
        if (received._tag === "Right") return appended(received.right)
        const { error: cause, written } = received.left as files.BodyError
        return yield* Effect.fail(new StoreError.BodyBroken({ appended: appended(written), cause }))
      })
    return files.use(path, constants.O_RDWR, write).pipe(
      Effect.catchTag(
        "OciFileError",
        (error) => Effect.fail(error.isMissing ? this.forget(token) : failedOrFull(error))
      )
    )
  }

  /**
   * Syncs the bytes of an upload. If that fails, the upload ends: a second sync would succeed without the bytes. A sync
   * is not interrupted, because it would then be unknown whether it failed.
   */
  private syncData(path: string, file: File, session: Session): files.FileEffect<void> {
    return files.attempt("sync", path, () => file.datasync()).pipe(
      Effect.tapError(() => {
        session.hasFailed = true
        return Effect.ignore(files.remove(path))
      }),
      Effect.uninterruptible
    )
  }

  private commitAs(key: BlobKey, token: UploadToken, session: Session, size: number): Result<"commit"> {
    const path = join(this.path, token)
    return Effect.gen(this, function*() {
      const found = yield* files.sizeOf(path)
      if (found === undefined) return yield* this.committedBefore(key, token, size)
      if (found < size) return yield* Effect.fail(new StoreError.OffsetMismatch({ offset: found }))
      if (found > size || session.needsSync) {
        yield* files.use(path, constants.O_RDWR, (file) =>
          Effect.zipRight(
            found > size ? files.attempt("truncate", path, () => file.truncate(size)) : Effect.void,
            this.sync === "never" ? Effect.void : this.syncData(path, file, session)
          ))
      }
      yield* Effect.onError(this.publish(path, key), () =>
        Effect.sync(() => {
          session.hasFailed = true
        }))
      this.sessions.delete(token)
    }).pipe(Effect.catchTag("OciFileError", (error) => Effect.fail(failed(error))))
  }

  /** Succeeds if the upload has become a blob already. */
  private committedBefore(key: BlobKey, token: UploadToken, size: number) {
    return Effect.gen(this, function*() {
      const unknown = this.forget(token)
      if ((yield* files.sizeOf(this.blobs.pathOf(key))) !== size) return yield* Effect.fail(unknown)
      yield* this.blobs.sync([key])
    })
  }

  private forget(token: UploadToken): StoreError.UploadUnknown {
    this.sessions.delete(token)
    return new StoreError.UploadUnknown()
  }

  /** Moves a complete file to its place. If the directory cannot be synced, removes the blob again. */
  private publish(path: string, key: BlobKey): files.FileEffect<void> {
    return Effect.flatMap(this.blobs.place(key), (to) =>
      Effect.zipRight(
        files.attempt("rename", path, (system) => system.rename(path, to)),
        Effect.onError(this.blobs.sync([key]), () => Effect.ignore(files.remove(to)))
      ))
  }
}
