import { Agent, Dispatcher } from "@effect/platform-node/Undici"
import type { buildConnector } from "@effect/platform-node/Undici"

/** How long a connection that no request uses stays open, in milliseconds: as long as undici keeps one after a request. */
const defaultPatience = 4000

type Target = buildConnector.Options

/** A connection that was opened before a request needed it. */
class Spare {
  private socket: Parameters<buildConnector.Callback>[1] = null
  private callback: buildConnector.Callback | undefined
  private isClosed = false
  private readonly timer: NodeJS.Timeout

  /** `onClose` is called when the connection has closed or failed before it was used. */
  constructor(
    connect: buildConnector.connector,
    target: Target,
    patience: number,
    private readonly onClose: (spare: Spare) => void
  ) {
    this.timer = setTimeout(() => this.close(), patience).unref()
    connect(target, (...result) => {
      if (this.callback !== undefined) return this.callback(...result)
      const [error, socket] = result
      if (error !== null || this.isClosed) {
        socket?.destroy()
        return this.close()
      }
      this.socket = socket
      socket.unref().once("close", this.close)
    })
  }

  /** Hands the connection over, when it is open. */
  use(callback: buildConnector.Callback): void {
    clearTimeout(this.timer)
    this.callback = callback
    const { socket } = this
    if (socket === null) return
    socket.ref().off("close", this.close)
    // undici does not send the request if the callback is called before the connector returns.
    queueMicrotask(() => callback(null, socket))
  }

  readonly close = (): void => {
    this.isClosed = true
    clearTimeout(this.timer)
    this.socket?.destroy()
    this.onClose(this)
  }
}

/** The connections to one host. */
interface Host {
  /** The number of connections that requests use, or that are being opened for them. */
  used: number
  readonly spares: Set<Spare>
}

/**
 * Opens connections before they are needed: with the first connection to a host, `count` others. Closes those that no
 * request uses for a few seconds.
 */
class ConnectionsAhead {
  private readonly hosts = new Map<string, Host>()

  constructor(
    private readonly connect: buildConnector.connector,
    private readonly count: number,
    private readonly patience: number
  ) {}

  readonly connector: buildConnector.connector = (target, callback) => {
    const host = this.hostOf(target)
    const [spare] = host.spares
    const isFirst = host.used === 0 && spare === undefined
    const opened: buildConnector.Callback = (...result) => {
      if (result[0] !== null) host.used--
      else result[1].once("close", () => host.used--)
      callback(...result)
    }
    host.used++
    if (spare === undefined) {
      this.connect(target, opened)
    } else {
      host.spares.delete(spare)
      spare.use(opened)
    }
    for (let left = isFirst ? this.count : 0; left > 0; left--) {
      host.spares.add(new Spare(this.connect, target, this.patience, (closed) => host.spares.delete(closed)))
    }
  }

  close(): void {
    for (const { spares } of this.hosts.values()) for (const spare of spares) spare.close()
  }

  private hostOf({ hostname, port, protocol, servername }: Target): Host {
    const key = JSON.stringify([protocol, hostname, port, servername])
    const host = this.hosts.get(key) ?? { used: 0, spares: new Set() }
    this.hosts.set(key, host)
    return host
  }
}

/** Sends requests through an agent that opens connections ahead. */
class AgentAhead extends Dispatcher {
  private readonly agent: Agent

  constructor(private readonly connections: ConnectionsAhead) {
    super()
    this.agent = new Agent({ connect: connections.connector })
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.agent.dispatch(options, handler)
  }

  override async destroy(): Promise<void> {
    this.connections.close()
    await this.agent.destroy()
  }
}

/** Creates a dispatcher that opens `ahead` connections more than it needs, when it opens the first one to a host. */
export const agent = (connect: buildConnector.connector, ahead = 0, patience = defaultPatience): Dispatcher =>
  ahead > 0 ? new AgentAhead(new ConnectionsAhead(connect, ahead, patience)) : new Agent({ connect })
