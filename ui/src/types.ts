// What the HTTP API says, as far as this page reads it. See docs/http.md.

export interface Rate {
  rate: number;
}

export interface MessageStats {
  publish: number;
  publish_details: Rate;
  deliver_get: number;
  deliver_get_details: Rate;
  ack: number;
  ack_details: Rate;
  redeliver: number;
  redeliver_details: Rate;
  confirm_details?: Rate;
  drop_unroutable_details?: Rate;
}

// In microseconds, of what came between the last two looks; null where nothing did.
export interface Latency {
  count: number;
  mean_us: number | null;
  p50_us: number | null;
  p90_us: number | null;
  p99_us: number | null;
  p999_us: number | null;
}

export type LatencyBuckets = [number, number][]; // end in microseconds, messages

// What theory expects, in microseconds; null: nothing is known, or the queue is overloaded.
export interface Waiting {
  utilisation: number | null;
  measured_us: number | null;
  predicted_us: number | null;
  what_if_us: Record<string, number | null>;
}

export interface QueueTimes {
  time_in_queue: Latency;
  time_to_ack: Latency;
  oldest_message_age_ms: number | null;
  utilisation: number;
  scheduling: string;
  // Of one queue, not in lists.
  waiting?: Waiting;
  since_start?: { waiting: Waiting };
  time_in_queue_buckets?: LatencyBuckets;
  time_to_ack_buckets?: LatencyBuckets;
}

export interface Queue {
  name: string;
  vhost: string;
  type: string;
  durable: boolean;
  auto_delete: boolean;
  exclusive: boolean;
  arguments: Record<string, unknown>;
  policy: string | null;
  operator_policy: string | null;
  effective_policy_definition: Record<string, unknown>;
  messages: number;
  messages_ready: number;
  messages_unacknowledged: number;
  message_bytes_ready: number;
  memory: number;
  consumers: number;
  message_stats: MessageStats;
  millrace: QueueTimes;
  consumer_capacity?: number;
  idle_since?: string;
  consumer_details?: Consumer[];
}

export interface Consumer {
  consumer_tag: string;
  ack_required: boolean;
  active: boolean;
  activity_status: string;
  exclusive: boolean;
  prefetch_count: number;
  channel_details: { name: string; connection_name: string; number: number; user: string };
  queue: { name: string; vhost: string };
}

export interface Binding {
  source: string;
  vhost: string;
  destination: string;
  destination_type: "queue" | "exchange";
  routing_key: string;
  arguments: Record<string, unknown>;
  properties_key: string;
}

export interface Exchange {
  name: string;
  vhost: string;
  type: string;
  durable: boolean;
  auto_delete: boolean;
  internal: boolean;
  arguments: Record<string, unknown>;
  policy: string | null;
  message_stats: { publish_in_details: Rate; publish_out_details: Rate };
}

export interface Connection {
  name: string;
  user: string;
  user_provided_name: string;
  vhost: string;
  state: string;
  protocol: string;
  channels: number;
  connected_at: number;
  ssl: boolean;
  timeout: number;
  frame_max: number;
  auth_mechanism: string;
  recv_oct_details: Rate;
  send_oct_details: Rate;
}

export interface Channel {
  name: string;
  number: number;
  user: string;
  vhost: string;
  confirm: boolean;
  transactional: boolean;
  consumer_count: number;
  messages_unacknowledged: number;
  prefetch_count: number;
  global_prefetch_count: number;
  message_stats: MessageStats;
}

export interface Overview {
  product_name: string;
  product_version: string;
  cluster_name: string;
  node: string;
  message_stats: MessageStats;
  queue_totals: { messages: number; messages_ready: number; messages_unacknowledged: number };
  object_totals: { channels: number; connections: number; consumers: number; exchanges: number; queues: number };
  listeners: { protocol: string; ip_address: string; port: number }[];
}

export interface Node {
  name: string;
  uptime: number;
  processors: number;
  mem_used: number;
  mem_limit: number;
  mem_alarm: boolean;
  disk_free: number;
  disk_free_limit: number;
  disk_free_alarm: boolean;
  fd_used: number;
  fd_total: number;
}

export interface Vhost {
  name: string;
  description: string;
  tags: string[];
  messages: number;
}

export interface UserItem {
  name: string;
  tags: string[];
}

export interface Permission {
  user: string;
  vhost: string;
  configure: string;
  write: string;
  read: string;
}

export interface Policy {
  vhost: string;
  name: string;
  pattern: string;
  "apply-to": string;
  definition: Record<string, unknown>;
  priority: number;
}

export interface TraceEvent {
  at_us: number; // since the epoch
  step: string;
  exchange: string;
  routing_key: string;
  queue: string;
  targets: string[];
  message_id: string;
  correlation_id: string;
  peer: string;
  user: string;
  seq: number;
  redelivered: boolean;
}

export interface TraceRead {
  events: TraceEvent[];
  missed: number;
  next: number;
}

export interface GotMessage {
  payload: string;
  payload_bytes: number;
  payload_encoding: "string" | "base64";
  redelivered: boolean;
  exchange: string;
  routing_key: string;
  message_count: number;
  properties: { headers?: Record<string, unknown> } & Record<string, unknown>;
}
